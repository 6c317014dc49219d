/** Every limit on what a socket carries, with its reason. Sizes in bytes, times in milliseconds. */

const kiB = 1024;
const miB = 1024 * kiB;

/** Larger than a JSON control message of ours ever gets; small enough that 10⁵ of them are no burden. */
export const messageMaxBytes = 64 * kiB;

/** One read of a pipe (Linux pipes hold 64 KiB by default, pipe(7)) with room for larger pipes. */
export const dataMaxBytes = 256 * kiB;

/** argv, environment and the rest of one command: above the kernel's own limit on exec (a quarter of an 8 MiB stack). */
export const execMaxBytes = 4 * miB;

/** A ticket is random; 256 bits cannot be guessed. */
export const ticketBytes = 32;

/** SHA-256. */
export const hashBytes = 32;

/** How long a granted ticket may wait for its use (contracts: Idleness, "a granted ticket (10 s)"). */
export const ticketLifeMs = 10_000;

/** Tickets that one agent holds at a time; the broker waits for a free one beyond. */
export const ticketsMax = 64;

/** Sessions and living cgroups that one heartbeat may list; more than a desktop user runs in one vm. */
export const sessionsMax = 1024;

/** Sessions without a client that may live at a time, and ended ones whose output and status are still kept. */
export const detachedMax = 64;
export const endedKeptMax = 32;

/** Ends of sessions that one heartbeat tells of: an agent that has lost its broker for long keeps the last ones. */
export const endedToldMax = 128;

/** What is kept of each output of a session without a client: the last so many bytes. */
export const outputKeptBytes = 256 * kiB;

/** What a person calls what keeps a vm: a word in a line of a table. */
export const labelMaxChars = 64;

/** A command with its arguments in a list of sessions: some lines of a terminal. */
export const commandLineMaxChars = 1024;

/** A heartbeat at least this often (contracts: Idleness). */
export const heartbeatIntervalMs = 5_000;

/** Missing this many heartbeats makes a vm unresponsive. */
export const heartbeatsMissedMax = 3;

/** One copied text or picture: a screenshot of a large screen has some MiB. */
export const clipboardMaxBytes = 16 * miB;

/** A sentence for people, of ours; and what helps. */
export const noticeMaxChars = 1024;

/** Windows of one vm at a time: what nobody opens by hand. */
export const windowsMax = 200;

/** Of a window; a title bar shows fewer. With the vm's name before it. */
export const titleMaxChars = 256;
