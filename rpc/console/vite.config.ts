import { defineConfig } from "vite";

/** The engine that a page of `npm run dev` talks to. */
const engine = process.env["INTERVENE_URL"] ?? "http://127.0.0.1:8080";
const proxy = { target: engine, headers: { origin: engine } };

export default defineConfig({
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    modulePreload: false,
    cssCodeSplit: false,
    // A data: URL is nothing that the Content-Security-Policy lets in.
    assetsInlineLimit: 0,
    rollupOptions: {
      // Stable names: what is built is committed, and the ETag tells versions apart.
      output: {
        entryFileNames: "assets/app.js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/app[extname]",
        // What every page needs is one file, and not cut along what some parts share.
        codeSplitting: { groups: [{ name: "page", tags: ["$initial"] }] },
      },
    },
  },
  server: {
    host: "127.0.0.1",
    proxy: { "/intervene.v1.LiveChatService": proxy, "/v1": proxy },
  },
});
