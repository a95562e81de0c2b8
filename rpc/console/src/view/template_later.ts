import { later } from "./later.js";

/** TemplateDialog is loaded when a template is first wanted. */
export const TemplateDialog = later(async () => (await import("./template_dialog.js")).TemplateDialog);
