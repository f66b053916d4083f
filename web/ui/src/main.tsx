import { render } from "preact";

import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/pages.css";
import { App } from "./app";
import { startClock } from "./clock";
import { startRouter } from "./router";
import { refreshSession } from "./session";
import { applyTheme } from "./theme";

applyTheme();
startClock();
startRouter();
void refreshSession();
const root = document.getElementById("app");
if (root !== null) render(<App />, root);
