import { defineConfig } from "vitest/config";

export default defineConfig({
  build: {
    target: "es2022",
    // One stylesheet: a page fetched later must not bring another request for its looks.
    cssCodeSplit: false,
    // The polyfill is for browsers without light-dark() and popovers, which could not show the page anyway.
    modulePreload: { polyfill: false },
    // Every file is its own response with its own hash; `data:` copies inside the script would be sent twice.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: {
    // For work on the page against a running node: `npx vite`, then open the address it prints.
    proxy: {
      "/api": { target: "http://127.0.0.1:8780", ws: true },
      "/health": { target: "http://127.0.0.1:8780" },
    },
  },
  test: { include: ["src/**/*.test.ts"] },
});
