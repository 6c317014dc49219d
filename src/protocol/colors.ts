/** The colours by which people know their vms, as Qubes OS calls its labels. */
export const vmColors = ["red", "orange", "yellow", "green", "gray", "blue", "purple", "black"] as const;

export type VmColor = (typeof vmColors)[number];
