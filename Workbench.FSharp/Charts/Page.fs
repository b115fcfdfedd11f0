namespace GapLab.Workbench

open System
open System.Globalization
open System.IO
open GapLab.Tensors

/// One part of a page, in HTML, and the figures in it.
type internal PagePart =
    | Html of string
    | Charts of Chart list

/// A page of headings, text, charts and frames. The module of the same name makes, fills and saves pages.
type Page =
    internal
        {
            Title: string
            /// The last one first.
            Parts: PagePart list
        }

/// Pages: `Page.create "Gaps" |> Page.addText "..." |> Page.addChart chart |> Page.addFrame "Table 1" frame |> Page.save "gaps.html"`.
module Page =
    let private escape = FrameFormats.htmlText

    let private add part page = { page with Parts = part :: page.Parts }

    /// An empty page under a title.
    let create (title: string) = { Title = title; Parts = [] }

    /// The page with a heading below what it has.
    let addHeading (heading: string) (page: Page) = add (Html $"<h2>{escape heading}</h2>") page

    /// The page with a paragraph of text, shown as it is written, line breaks too.
    let addText (text: string) (page: Page) = add (Html $"<p>{escape text}</p>") page

    /// The page with a line of words, each coloured by a share from 0 to 1 of a hue (in degrees; 0 is red, 220 blue), with a number that shows when it is pointed at.
    let addWords (label: string) (hue: int) (words: (string * float * float) list) (page: Page) =
        let mark (word: string, share: float, number: float) =
            let alpha = (Math.Clamp(share, 0., 1.)).ToString("0.00", CultureInfo.InvariantCulture)
            let title = number.ToString("G3", CultureInfo.InvariantCulture)
            $"<mark style=\"background: hsla({hue}, 90%%, 50%%, {alpha})\" title=\"{title}\">{escape word}</mark>"

        let marks = words |> List.map mark |> String.concat " "
        add (Html $"<p class=\"words\"><span class=\"label\">{escape label}</span>{marks}</p>") page

    /// The page with a chart.
    let addChart (chart: Chart) (page: Page) = add (Charts [ chart ]) page

    /// The page with charts side by side, as far as there is room.
    let addCharts (charts: Chart list) (page: Page) = add (Charts charts) page

    /// The page with a frame as a table under a caption.
    let addFrame (caption: string) (frame: Frame) (page: Page) =
        let table = Frame.toHtml frame
        let captioned = table.Insert(table.IndexOf '>' + 1, $"<caption>{escape caption}</caption>")
        add (Html $"<div class=\"frame\">{captioned}</div>") page

    /// The page as one HTML document with everything in it, plotly.js too: it shows without a network. A GapLabException says so if the
    /// build could not fetch plotly.js.
    let toHtml (page: Page) =
        let parts = List.rev page.Parts

        let figures =
            [ for part in parts do
                  match part with
                  | Charts charts -> yield! charts |> List.map _.Figure
                  | Html _ -> () ]

        let mutable next = 0

        let body =
            [ yield $"<h1>{escape page.Title}</h1>"
              for part in parts do
                  match part with
                  | Html html -> yield html
                  | Charts charts ->
                      let indices = [ next .. next + charts.Length - 1 ]
                      next <- next + charts.Length
                      yield PageHtml.figures [ for i in indices -> i, figures[i].["layout"].AsObject() ] ]

        PageHtml.document page.Title false (String.concat "\n" body) figures

    /// Saves the page as one HTML file; an existing file is replaced.
    let save (path: string) (page: Page) =
        let html = toHtml page

        try
            File.WriteAllText(path, html)
        with
        | :? IOException
        | :? UnauthorizedAccessException as e ->
            raise (GapLabException $"The page cannot be written to '{path}' ({e.Message.TrimEnd '.'}).")

    /// The width of the picture of a page, in pixels of the page.
    let private pictureWidth = 1040

    /// The highest picture, in pixels of the page; a browser keeps all of it in memory.
    let private highest = 20_000

    /// Draws the whole page into a PNG file; needs Chromium, and a GapLabException says so if it is not installed.
    let savePng (path: string) (page: Page) =
        Browser.withPage (toHtml page) (fun file ->
            let dump = Browser.dump pictureWidth file
            let marker = "data-height=\""

            match dump.Output.IndexOf(marker, StringComparison.Ordinal) with
            | -1 ->
                raise (
                    GapLabException "The browser did not draw the figures of the page; save it as .html to see why."
                )
            | start ->
                let start = start + marker.Length
                let height = int (dump.Output.Substring(start, dump.Output.IndexOf('"', start) - start))

                if height > highest then
                    raise (
                        GapLabException
                            $"The page is {height} pixels high, too much for a picture (at most {highest}): save it as .html, or divide it."
                    )

                Browser.screenshot pictureWidth height path file)
