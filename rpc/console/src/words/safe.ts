/**
 * What customers write is shown as they wrote it, but for what would make the page
 * say something else: control characters become pictures of themselves, and what
 * turns the direction of the text around becomes a mark.
 */
export function safe(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f\u0080-\u009f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]/g, (character) => {
    const code = character.charCodeAt(0);
    if (character === "\r") {
      return "";
    }
    if (code < 0x20) {
      return String.fromCharCode(0x2400 + code);
    }
    return code === 0x7f ? "\u2421" : code === 0x202c || code === 0x2069 ? "" : "\u2423";
  });
}

/** The same on one line, for names and previews. */
export function line(text: string): string {
  return safe(text.replace(/[\r\n\t\u2028\u2029]+/g, " "));
}
