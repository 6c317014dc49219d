/** What a policy consists of, and how its lines are written. */

/** Everything that somebody may ask for, in the order in which it is listed. */
export const services = [
	...["exec", "attach", "broker", "list", "sessions", "status", "console"],
	...["start", "stop", "set", "inhibit", "events", "open", "clip"],
] as const;

export type Service = (typeof services)[number];

/** The user on the host, as who asks. */
export const hostSource = "@host";
/** As who asks: any vm. As what is asked about: anything, also the broker itself, lists and disposables. */
export const anyVm = "@anyvm";
/** A fresh instance of the default disposable; of another one with ":BASE" behind it. */
export const disposable = "@dispvm";
/** Of open-url: the user is asked. */
export const askUser = "ask";

/** Where a line stands. */
export interface Place {
	readonly file: string;
	/** From 1. */
	readonly line: number;
	/** The whole line, without blanks around it. */
	readonly text: string;
}

/** `SERVICE ARGUMENT SOURCE TARGET ACTION` */
export interface Rule {
	/** null: the built-in default. */
	readonly at: Place | null;
	readonly service: Service | "*";
	/** Without its "+"; null: any, and none. */
	readonly argument: string | null;
	/** "@host", "@anyvm" or a vm's name. */
	readonly source: string;
	/** A vm's name, "@anyvm", "@dispvm" or "@dispvm:BASE". */
	readonly target: string;
	readonly action: "allow" | "deny";
}

/** `open-url HOSTPATTERN TARGET` */
export interface OpenUrlRule {
	readonly at: Place;
	/** "*", a host, or "*." and a host; in lower case. */
	readonly host: string;
	/** A vm's name, "@dispvm", "@dispvm:BASE" or "ask". */
	readonly target: string;
}

/** What holds where there is no file: the user may do anything with their own vms; guests may ask nothing. */
export const defaultRule: Rule = {
	...{ at: null, service: "*", argument: null },
	...{ source: hostSource, target: anyVm, action: "allow" },
};

export const formatRule = ({ service, argument, source, target, action }: Omit<Rule, "at">): string =>
	[service, argument === null ? "*" : `+${argument}`, source, target, action].join(" ");

export const formatOpenUrl = ({ host, target }: Omit<OpenUrlRule, "at">): string => `${openUrlWord} ${host} ${target}`;

/** With it a line of the other kind begins. */
export const openUrlWord = "open-url";

export const formatPlace = ({ file, line }: Place): string => `${file}:${line}`;

/** The name of the vm in a target or a source; null where there is none in it. */
export function vmNameIn(word: string): string | null {
	if (word.startsWith(`${disposable}:`)) return word.slice(disposable.length + 1);
	return word.startsWith("@") ? null : word;
}
