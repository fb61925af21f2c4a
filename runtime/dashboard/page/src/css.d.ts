// Style sheets are imported for their effect: esbuild puts them into assets/app.css.
declare module "*.css";
