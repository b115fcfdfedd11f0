namespace GapLab.Notebooks

open System
open System.IO
open System.Text.Json.Nodes
open GapLab.Tensors
open GapLab.Workbench

/// One thing to show, in several forms of which a notebook takes the richest that it can, by their MIME types.
type internal MimeBundle = { Forms: (string * JsonNode) list; Metadata: JsonObject }

module internal MimeBundle =
    /// Rows of a frame that are shown.
    let mostRows = 200

    let private ofForms forms = { Forms = forms; Metadata = JsonObject() }

    /// A plain text.
    let ofText (text: string) = ofForms [ "text/plain", Json.string text ]

    /// HTML, with a text for those who cannot show it.
    let ofHtml (html: string) (text: string) = ofForms [ "text/html", Json.string html; "text/plain", Json.string text ]

    let ofMarkdown (markdown: string) =
        ofForms [ "text/markdown", Json.string markdown; "text/plain", Json.string markdown ]

    let private shortened (frame: Frame) =
        if frame.Rows <= mostRows then
            frame, ""
        else
            { frame with
                Columns = frame.Columns |> Array.map (Array.truncate mostRows)
                Rows = mostRows },
            $"The first {mostRows} of {frame.Rows} rows."

    let private frameForms (frame: Frame) =
        let shown, remark = shortened frame
        // The class is GapLab's own; a notebook knows only the style.
        let table = (Frame.toHtml shown).Replace(" class=\"number\"", " style=\"text-align: right\"")
        let below = if remark = "" then "" else $"\n<p>{remark}</p>"
        table + below, FrameFormats.text shown + remark

    let private ofFrame frame = frameForms frame ||> ofHtml

    /// The chart as a picture; None where it cannot be drawn.
    let private tryPng (chart: Chart) =
        if (Browser.find ()).IsNone || (Plotly.find Plotly.home).IsNone then
            None
        else
            let folder = Directory.CreateTempSubdirectory "gaplab-chart-"

            try
                let file = Path.Combine(folder.FullName, "chart.png")

                try
                    Chart.savePng file chart
                    Some(File.ReadAllBytes file)
                with :? GapLabException as e ->
                    eprintfn "The chart is not drawn: %s" e.Message
                    None
            finally
                folder.Delete true

    let private sizeOr (usual: int) (name: string) (layout: JsonNode) : JsonNode =
        match layout[name] with
        | null -> JsonValue.Create usual
        | size -> size.DeepClone()

    let private ofChart (chart: Chart) =
        let figure = chart.Figure
        let layout = figure["layout"]

        let title =
            match layout["title"] with
            | null -> "Chart"
            | title -> "Chart: " + title["text"].GetValue<string>()

        match tryPng chart with
        | None -> ofForms [ "application/vnd.plotly.v1+json", figure :> JsonNode; "text/plain", Json.string title ]
        | Some png ->
            // A picture has two dots for each pixel.
            let size =
                Json.object [ for name, usual in [ "width", 900; "height", 500 ] -> name, sizeOr usual name layout ]

            { Forms =
                // Of images there is nothing to explore, and their pixels as numbers would make a notebook large.
                [ if chart.Area.IsNone then
                      "application/vnd.plotly.v1+json", figure :> JsonNode
                  "image/png", Json.string (Convert.ToBase64String png)
                  "text/plain", Json.string title ]
              Metadata = Json.object [ "image/png", size ] }

    let private ofReport (report: Report) =
        let escape = FrameFormats.htmlText
        let table, text = frameForms report.Frame
        let notes = [ for note in report.Notes -> $"<li>{escape note}</li>" ] |> String.concat ""

        [ yield
              ofHtml
                  $"<p><b>{escape report.Title}</b></p>\n<ul>{notes}</ul>\n{table}"
                  (String.concat "\n" (report.Title :: report.Notes @ [ text ]))
          for caption, frame in report.Summaries do
              let table, text = frameForms frame
              yield ofHtml $"<p>{escape caption}</p>\n{table}" (caption + "\n" + text)
          for chart in report.Charts do
              yield ofChart chart ]

    /// What a value looks like; `format` writes those that are nothing special.
    let ofValue (format: obj -> string) (value: obj) : MimeBundle list =
        match value with
        | :? Frame as frame -> [ ofFrame frame ]
        | :? Chart as chart -> [ ofChart chart ]
        | :? Report as report -> ofReport report
        | :? Shown as shown ->
            match shown with
            | HTML html -> [ ofHtml html html ]
            | Markdown markdown -> [ ofMarkdown markdown ]
        | _ -> [ ofText (format value) ]

    /// The bundle as the content of a message.
    let toContent (bundle: MimeBundle) =
        Json.object [ "data", Json.object bundle.Forms :> JsonNode; "metadata", bundle.Metadata ]
