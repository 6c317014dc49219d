/**
 * What a guest reports of its programs, and what it is asked to start: ids and limits that hold at both ends. The guest prints a line of
 * JSON for each, {id, name, terminal, icon?: {format: "png", base64}}, and the host believes none of it.
 */

/** It becomes part of a file's name and a word of a command line, and means nothing special in either. */
const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export const programIdRule = "a letter or digit, then letters, digits, '.', '_' and '-': at most 64 in all";

export const isProgramId = (text: string): boolean => idPattern.test(text);

/** A large desktop's menu has some 150. */
export const programsMax = 256;

/** What fits into a line of a menu. */
export const programNameMaxChars = 64;

/** The largest that icon themes have in common is 512 × 512; as a PNG few take more. */
export const iconMaxBytes = 256 * 1024;

/** An icon in base64, and some words. */
export const programLineMaxBytes = 384 * 1024;

/** Of one report: all programs with icons of an ordinary size. */
export const reportMaxBytes = 12 * 1024 * 1024;

/** A guest's file system, and FAT's on a stick, take names of 255 bytes (NAME_MAX). */
export const fileNameMaxBytes = 255;

/** What is handed over for a program to open: it goes into the guest's memory. */
export const openFileMaxBytes = 256 * 1024 * 1024;

/** Whether a file may have this name in a directory: no path, no option, nothing hidden, nothing that can't be shown. */
export const isFileName = (name: string): boolean =>
	/^[^./-][^/]*$/.test(name) && !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(name) && byteLength(name) <= fileNameMaxBytes;

const byteLength = (text: string): number => new TextEncoder().encode(text).length;
