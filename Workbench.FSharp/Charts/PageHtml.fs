namespace GapLab.Workbench

open System.Text
open System.Text.Json.Nodes

/// The HTML of a page with everything in it: it needs no network and no other file.
module internal PageHtml =
    let private style =
        """
:root { color-scheme: light dark; --text: #1b1f24; --faint: #57606a; --line: #d0d7de; --back: #ffffff; --stripe: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --faint: #9198a1; --line: #3d444d; --back: #0d1117; --stripe: #151b23; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.55 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.5rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; }
p { margin: .6rem 0; max-width: 46rem; white-space: pre-line; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1.2rem 0; overflow-x: auto; }
.figure { flex: 1 1 24rem; min-width: 0; }
.figure.sized { flex: 0 0 auto; }
.frame { margin: 1.2rem 0; overflow-x: auto; }
table { width: max-content; border-collapse: collapse; font-size: .94rem; font-variant-numeric: tabular-nums; }
caption { caption-side: top; text-align: left; color: var(--faint); padding-bottom: .4rem; }
thead { border-top: 2px solid var(--text); border-bottom: 1px solid var(--text); }
tbody { border-bottom: 2px solid var(--text); }
caption { max-width: 46rem; }
td { max-width: 18rem; overflow-wrap: break-word; }
thead th { max-width: 8rem; vertical-align: bottom; }
th, td { padding: .3rem .7rem; text-align: left; vertical-align: top; }
th { font-weight: 600; }
tbody tr:nth-child(even) { background: var(--stripe); }
.number { text-align: right; }
td.number { white-space: nowrap; }
.words { max-width: 46rem; line-height: 2; }
.words .label { color: var(--faint); margin-right: .6rem; }
.words mark { color: inherit; border-radius: .2rem; padding: .1rem .25rem; }
body.bare main { max-width: none; padding: 0; }
body.bare .figures { margin: 0; }
"""

    // Figures follow the page's light or dark colours. When all are drawn, the page says so, and how high it is, in attributes of its root.
    let private drawing =
        """
const figures = JSON.parse(document.getElementById("figures").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
function template() {
  const text = dark.matches ? "#e6edf3" : "#1b1f24", line = dark.matches ? "#3d444d" : "#d8dee4", edge = dark.matches ? "#6e7681" : "#8c959f";
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: edge, tickcolor: edge, ticks: "outside", ticklen: 4, showline: true,
    automargin: true, title: { standoff: 12 } };
  return { layout: { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", xaxis: axis, yaxis: axis,
    font: { family: "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif", size: 13, color: text },
    title: { x: 0, xref: "paper", xanchor: "left", y: 1, yref: "container", yanchor: "top", pad: { t: 14 }, font: { size: 16 } },
    legend: { bgcolor: "rgba(0,0,0,0)" }, hoverlabel: { namelength: -1 } } };
}
const root = document.documentElement;
// Without a pointer that hovers, the bar would always cover the title. Nothing on a page sends its data anywhere.
const config = { responsive: true, displaylogo: false, displayModeBar: matchMedia("(hover: hover)").matches ? "hover" : false,
  showSendToCloud: false, plotlyServerURL: "", modeBarButtonsToRemove: ["select2d", "lasso2d"] };
const drawn = figures.map((figure, i) =>
  Plotly.newPlot("figure-" + i, figure.data, { ...figure.layout, template: template() }, config));
Promise.all(drawn).then(
  () => { root.dataset.figures = "drawn"; root.dataset.height = document.body.scrollHeight; },
  error => { root.dataset.figures = "failed"; console.error(error); });
dark.addEventListener("change", () => figures.forEach((_, i) => Plotly.relayout("figure-" + i, { template: template() })));
"""

    /// A figure's place: of its own size, or as wide as there is room.
    let private figure index (layout: JsonObject) =
        let size =
            match layout["width"], layout["height"] with
            | null, null -> "style=\"height:420px\""
            | null, height -> $"style=\"height:{height}px\""
            | width, null -> $"style=\"width:{width}px;height:420px\""
            | width, height -> $"style=\"width:{width}px;height:{height}px\""

        let kind = if isNull layout["width"] then "figure" else "figure sized"
        $"<div class=\"{kind}\" id=\"figure-{index}\" {size}></div>"

    /// The places of figures side by side, by their numbers on the page and layouts.
    let figures (places: (int * JsonObject) list) =
        let inside = places |> List.map (fun (index, layout) -> figure index layout) |> String.concat ""
        $"<div class=\"figures\">{inside}</div>"

    /// The whole document: its title, the HTML of its body, and the figures whose places are in it. `bare` leaves out margins.
    let document (title: string) (bare: bool) (body: string) (figures: JsonObject list) =
        let html = StringBuilder()
        let line (text: string) = html.Append(text).Append('\n') |> ignore
        line "<!DOCTYPE html>"
        line "<html lang=\"en\">"
        line "<head>"
        line "<meta charset=\"utf-8\">"
        line "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
        line $"<title>{FrameFormats.htmlText title}</title>"
        line $"<style>{style}</style>"
        line "</head>"
        line (if bare then "<body class=\"bare\">" else "<body>")
        line $"<main>\n{body}\n</main>"

        // System.Text.Json writes < > & as escapes, so that no text in it can end the script.
        let data = Figure.array [ for figure in figures -> figure ]
        line $"<script type=\"application/json\" id=\"figures\">{data.ToJsonString()}</script>"

        if not figures.IsEmpty then
            line $"<script>{Plotly.read Plotly.home}</script>"

        line $"<script>{drawing}</script>"
        line "</body>"
        line "</html>"
        html.ToString()
