/** A desktop notification, as whoever tells something means it; and what shows it. */

export interface Note {
	/** One line, and short: no server shows markup in it. */
	readonly summary: string;
	/** A line each; what a guest has said is one of them at most. */
	readonly body: readonly string[];
	readonly urgency: "low" | "normal" | "critical";
	readonly actions?: readonly NoteAction[];
	/** How far it has come, 0 to 100. */
	readonly progress?: number;
	/** Until it goes by itself, ms; the server decides if absent. */
	readonly expiresMs?: number;
}

export interface NoteAction {
	readonly key: string;
	readonly label: string;
}

/** What its reader does with it. */
export interface NoteHandlers {
	acted?(key: string): void;
	/** It is no longer on the screen, whoever has closed it. Called once. */
	closed?(): void;
}

export interface ShownNote {
	/** Its server offers its actions. */
	readonly hasActions: boolean;
	/** Shows `note` in its place, unless it is gone. Never rejects. */
	replace(note: Note): Promise<void>;
	/** Idempotent. Never rejects. */
	close(): Promise<void>;
}

export interface NotificationPort {
	/** Null where nobody shows it. Never rejects. */
	show(note: Note, handlers: NoteHandlers): Promise<ShownNote | null>;
}
