/** Text of a guest or a client for one line of a table: safe text keeps line breaks and tabs, this does not. */
import { toSafeText } from "../terminal/safe-text.ts";

export const toSafeLine = (text: string): string => toSafeText(text).replace(/[\n\t]/g, "\uFFFD");
