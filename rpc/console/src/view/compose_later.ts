import { later } from "./later.js";

/** What is loaded when something else than words is first wanted. */
export const TemplateDialog = later(async () => (await import("./template_dialog.js")).TemplateDialog);
export const AddMenu = later(async () => (await import("./add_menu.js")).AddMenu);
