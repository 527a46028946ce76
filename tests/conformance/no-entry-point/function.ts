export const hander = async (): Promise<number> => 1;
