/**
 * What the interfaces that a guest may use look like on the wire, as facts: an interface with the newest version that we know, its
 * requests (">") and events ("<") in the order of their numbers. A message has its name, "@" with the version that brought it,
 * "!" where it ends its object, and its arguments: i, u and f are numbers, s a string, a an array, h a file descriptor, o an object and
 * n a new one, each with its interface; "?" is one that may be missing. What is newer or not here does not exist for a guest.
 */
export const protocolTable = `
interface wl_display 1
> sync n:wl_callback
> get_registry n:wl_registry
< error o u s
< delete_id u
interface wl_registry 1
> bind u s u n
< global u s u
< global_remove u
interface wl_callback 1
< done! u
interface wl_compositor 5
> create_surface n:wl_surface
> create_region n:wl_region
interface wl_shm_pool 1
> create_buffer n:wl_buffer i i i i u
> destroy!
> resize i
interface wl_shm 1
> create_pool n:wl_shm_pool h i
< format u
interface wl_buffer 1
> destroy!
< release
interface wl_data_offer 3
> accept u ?s
> receive s h
> destroy!
< offer s
> finish@3
> set_actions@3 u u
< source_actions@3 u
< action@3 u
interface wl_data_source 3
> offer s
> destroy!
< target ?s
< send s h
< cancelled
> set_actions@3 u
< dnd_drop_performed@3
< dnd_finished@3
< action@3 u
interface wl_data_device 3
> start_drag ?o:wl_data_source o:wl_surface ?o:wl_surface u
> set_selection ?o:wl_data_source u
< data_offer n:wl_data_offer
< enter u o:wl_surface f f ?o:wl_data_offer
< leave
< motion u f f
< drop
< selection ?o:wl_data_offer
> release@2!
interface wl_data_device_manager 3
> create_data_source n:wl_data_source
> get_data_device n:wl_data_device o:wl_seat
interface wl_surface 5
> destroy!
> attach ?o:wl_buffer i i
> damage i i i i
> frame n:wl_callback
> set_opaque_region ?o:wl_region
> set_input_region ?o:wl_region
> commit
< enter o:wl_output
< leave o:wl_output
> set_buffer_transform@2 i
> set_buffer_scale@3 i
> damage_buffer@4 i i i i
> offset@5 i i
interface wl_seat 8
< capabilities u
> get_pointer n:wl_pointer
> get_keyboard n:wl_keyboard
> get_touch n:wl_touch
< name@2 s
> release@5!
interface wl_pointer 8
> set_cursor u ?o:wl_surface i i
< enter u o:wl_surface f f
< leave u o:wl_surface
< motion u f f
< button u u u u
< axis u u f
> release@3!
< frame@5
< axis_source@5 u
< axis_stop@5 u u
< axis_discrete@5 u i
< axis_value120@8 u i
interface wl_keyboard 8
< keymap u h u
< enter u o:wl_surface a
< leave u o:wl_surface
< key u u u u
< modifiers u u u u u
> release@3!
< repeat_info@4 i i
interface wl_touch 8
< down u u o:wl_surface i f f
< up u u i
< motion u i f f
< frame
< cancel
> release@3!
< shape@6 i f f
< orientation@6 i f
interface wl_output 4
< geometry i i i i i s s i
< mode u i i i
< done@2
< scale@2 i
> release@3!
< name@4 s
< description@4 s
interface wl_region 1
> destroy!
> add i i i i
> subtract i i i i
interface wl_subcompositor 1
> destroy!
> get_subsurface n:wl_subsurface o:wl_surface o:wl_surface
interface wl_subsurface 1
> destroy!
> set_position i i
> place_above o:wl_surface
> place_below o:wl_surface
> set_sync
> set_desync
interface xdg_wm_base 5
> destroy!
> create_positioner n:xdg_positioner
> get_xdg_surface n:xdg_surface o:wl_surface
> pong u
< ping u
interface xdg_positioner 5
> destroy!
> set_size i i
> set_anchor_rect i i i i
> set_anchor u
> set_gravity u
> set_constraint_adjustment u
> set_offset i i
> set_reactive@3
> set_parent_size@3 i i
> set_parent_configure@3 u
interface xdg_surface 5
> destroy!
> get_toplevel n:xdg_toplevel
> get_popup n:xdg_popup ?o:xdg_surface o:xdg_positioner
> set_window_geometry i i i i
> ack_configure u
< configure u
interface xdg_toplevel 5
> destroy!
> set_parent ?o:xdg_toplevel
> set_title s
> set_app_id s
> show_window_menu o:wl_seat u i i
> move o:wl_seat u
> resize o:wl_seat u u
> set_max_size i i
> set_min_size i i
> set_maximized
> unset_maximized
> set_fullscreen ?o:wl_output
> unset_fullscreen
> set_minimized
< configure i i a
< close
< configure_bounds@4 i i
< wm_capabilities@5 a
interface xdg_popup 5
> destroy!
> grab o:wl_seat u
< configure i i i i
< popup_done
> reposition@3 o:xdg_positioner u
< repositioned@3 u
interface wp_viewporter 1
> destroy!
> get_viewport n:wp_viewport o:wl_surface
interface wp_viewport 1
> destroy!
> set_source f f f f
> set_destination i i
interface wp_presentation 1
> destroy!
> feedback o:wl_surface n:wp_presentation_feedback
< clock_id u
interface wp_presentation_feedback 1
< sync_output o:wl_output
< presented! u u u u u u u
< discarded!
interface zxdg_decoration_manager_v1 1
> destroy!
> get_toplevel_decoration n:zxdg_toplevel_decoration_v1 o:xdg_toplevel
interface zxdg_toplevel_decoration_v1 1
> destroy!
> set_mode u
> unset_mode
< configure u
interface zxdg_output_manager_v1 3
> destroy!
> get_xdg_output n:zxdg_output_v1 o:wl_output
interface zxdg_output_v1 3
> destroy!
< logical_position i i
< logical_size i i
< done
< name@2 s
< description@2 s
interface zwp_text_input_v3 1
> destroy!
> enable
> disable
> set_surrounding_text s i i
> set_text_change_cause u
> set_content_type u u
> set_cursor_rectangle i i i i
> commit
< enter o:wl_surface
< leave o:wl_surface
< preedit_string ?s i i
< commit_string ?s
< delete_surrounding_text u u
< done u
interface zwp_text_input_manager_v3 1
> destroy!
> get_text_input n:zwp_text_input_v3 o:wl_seat
interface wp_fractional_scale_manager_v1 1
> destroy!
> get_fractional_scale n:wp_fractional_scale_v1 o:wl_surface
interface wp_fractional_scale_v1 1
> destroy!
< preferred_scale u
interface wp_single_pixel_buffer_manager_v1 1
> destroy!
> create_u32_rgba_buffer n:wl_buffer u u u u
interface org_kde_kwin_server_decoration_manager 1
> create n:org_kde_kwin_server_decoration o:wl_surface
< default_mode u
interface org_kde_kwin_server_decoration 1
> release!
> request_mode u
< mode u
interface wp_cursor_shape_manager_v1 1
> destroy!
> get_pointer n:wp_cursor_shape_device_v1 o:wl_pointer
> get_tablet_tool_v2 n:wp_cursor_shape_device_v1 o:zwp_tablet_tool_v2
interface wp_cursor_shape_device_v1 1
> destroy!
> set_shape u u
`;
