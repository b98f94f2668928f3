import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  build: {
    outDir: "../liqheat_api/static",
    emptyOutDir: true,
    target: "es2022",
    // Everything is a file of its own: the content security policy allows no inline scripts, styles or data: fonts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { "/v1": process.env["LIQHEAT_DEV_API"] ?? "http://127.0.0.1:8080" } },
});
