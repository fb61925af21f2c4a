// The page: its shell, and in it the view that the address means.
import { render } from "preact";
import "./style/tokens.css";
import "./style/base.css";
import { connect } from "./feed/connection";
import { followHash } from "./route";
import { followKeys } from "./shell/keys";
import { Shell } from "./shell/shell";
import { followTheme } from "./ui/theme";
import { followClock } from "./ui/time";

followTheme();
// Before the route is read: the token is taken out of the address.
connect();
followHash();
followClock();
followKeys();

const root = document.getElementById("app");
if (root !== null) render(<Shell />, root);
