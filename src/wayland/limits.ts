/**
 * How much of the host a guest may have by way of its display. Each is far above what a busy desktop needs; what goes over it is no
 * program's need, and cuts the display. Tests lower them.
 */

const KiB = 1024;
const MiB = 1024 * KiB;

export interface DisplayLimits {
	/** Of a vm's programs, each with a process of waypipe's on the host. Firefox opens one for each of its own processes. */
	readonly connections: number;
	/** Windows of a vm, shown or not. Compositors lay all of them out, and people look for one among them. */
	readonly toplevels: number;
	/** Protocol objects of one connection, that the compositor has not let go of. Firefox has about a thousand. */
	readonly objects: number;
	/** Those of all of a vm's connections together. */
	readonly allObjects: number;
	/** Surfaces of a vm. A program has one for each window, menu, cursor and part of a window; Firefox some tens. */
	readonly surfaces: number;
	/** Of pixels that one vm has in the host's memory, in bytes; waypipe on the host has all of them twice. 32 windows of 4K. */
	readonly fileBytes: number;
	/** Of files that are announced and may be mapped, in bytes: a terminal (foot) announces half a GiB. Addresses, no memory. */
	readonly announcedBytes: number;
	/** Files of one connection: each is a descriptor of waypipe's, which may have 1024 (RLIMIT_NOFILE). */
	readonly files: number;
	/** Pipes of one connection that are open at a time: descriptors, as well. */
	readonly pipes: number;
	/** What waypipe puts into one message of Wayland messages. It reads at most some tens of KiB at a time. */
	readonly protocolBytes: number;
	/** One Wayland message; libwayland takes no longer one. */
	readonly messageBytes: number;
	/** What waits behind the message that one end has begun and not finished, in bytes. */
	readonly heldBytes: number;
	/** Of one paste, in bytes: within the vm, to the host and from the host. */
	readonly clipboardBytes: number;
	/** What one source may offer; office programs offer forty. */
	readonly mimeTypes: number;
	/** What all sources of a connection offer together; programs keep one source, or two. */
	readonly allMimeTypes: number;
	/** Pastes of a vm that go on at a time. */
	readonly transfers: number;
	/** Offers of the vm's own clipboard that a connection keeps; programs keep the last one. */
	readonly offers: number;
}

export const defaultLimits: DisplayLimits = {
	connections: 200,
	toplevels: 200,
	objects: 16_384,
	allObjects: 65_536,
	surfaces: 4000,
	fileBytes: 1024 * MiB,
	announcedBytes: 128 * 1024 * MiB,
	files: 900,
	pipes: 64,
	protocolBytes: MiB,
	messageBytes: 4 * KiB,
	heldBytes: 32 * MiB,
	clipboardBytes: 16 * MiB,
	mimeTypes: 128,
	allMimeTypes: 2048,
	transfers: 32,
	offers: 256,
};
