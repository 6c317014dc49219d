/** vsock ports. The guest's is the seed's: "the guest's command listener on port 5000". */
export const guestCommandPort = 5000;
/** On the host: the agent dials it and says hello. */
export const hostControlPort = 5001;
