import js from "@eslint/js";
import tseslint from "typescript-eslint";

const unsafeHtml = "The page writes text nodes only: names of callers are untrusted.";

export default tseslint.config(
  { ignores: ["dist", "node_modules", "src/api.d.ts"] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ["eslint.config.js"] } } },
    rules: {
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: unsafeHtml },
        { property: "outerHTML", message: unsafeHtml },
        { property: "insertAdjacentHTML", message: unsafeHtml },
      ],
      "no-restricted-syntax": [
        "error",
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: unsafeHtml },
      ],
      "no-console": "error",
      // Event attributes of JSX take functions that return promises; what fails in them is caught where it is called.
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: { attributes: false } }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  { files: ["eslint.config.js"], extends: [tseslint.configs.disableTypeChecked] },
);
