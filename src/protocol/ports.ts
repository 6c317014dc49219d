/** vsock ports. The guest's is the seed's: "the guest's command listener on port 5000". */
export const guestCommandPort = 5000;
/** On the host: the agent dials it and says hello. */
export const hostControlPort = 5001;
/** On the host: windows of the guest's programs, one connection of `waypipe server` each. */
export const hostWindowsPort = 6000;
/** On the host: sound, one connection of the PulseAudio protocol each. */
export const hostSoundPort = 6001;
