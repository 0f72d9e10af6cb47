export declare function digestOfSources(root: string): string
