// What schema/http/console_page.py wrote into the page.
export interface Config {
  endpoint: string;
  keepAliveSeconds: number;
  acting: "mint" | "token" | null;
}

export const config = JSON.parse(document.getElementById("commander-config")!.textContent!) as Config;
