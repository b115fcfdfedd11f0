namespace GapLab.Workbench

open System
open System.Diagnostics
open System.IO
open GapLab.Tensors

/// Chromium without a window, which draws pages into pictures.
module internal Browser =
    let private names =
        [ "chromium"; "chromium-browser"; "google-chrome"; "google-chrome-stable"; "chrome"; "msedge" ]

    /// The first browser on PATH; None if there is none.
    let find () =
        let folders = (string (Environment.GetEnvironmentVariable "PATH")).Split Path.PathSeparator
        let ending = if OperatingSystem.IsWindows() then ".exe" else ""

        Seq.allPairs names folders
        |> Seq.map (fun (name, folder) -> Path.Combine(folder, name + ending))
        |> Seq.tryFind File.Exists

    /// The longest that one start of the browser may take.
    let private limit = TimeSpan.FromSeconds 60.

    let private flags =
        [ "--headless"
          // Pages are GapLab's own and load nothing; in containers and for root there is no sandbox to be had.
          "--no-sandbox"
          "--disable-gpu"
          "--disable-quic"
          "--disable-dev-shm-usage"
          "--no-first-run"
          "--disable-background-networking"
          "--disable-component-update"
          "--disable-sync"
          "--hide-scrollbars"
          // Waits for the figures: the page's clock runs as fast as its work allows.
          "--virtual-time-budget=10000" ]

    /// A new empty folder for the work, deleted at the end.
    let private withFolder (work: string -> 'a) =
        let folder = Directory.CreateTempSubdirectory "gaplab-browser-"

        try
            work folder.FullName
        finally
            // The browser's last helpers may still write for a moment.
            let rec delete attempts =
                try
                    folder.Delete true
                with :? IOException when attempts > 0 ->
                    Threading.Thread.Sleep 100
                    delete (attempts - 1)

            try
                delete 20
            with :? IOException ->
                ()

    /// What the browser wrote on stdout and stderr.
    type Output = { Output: string; Log: string }

    /// Starts the browser on a page of this machine; it is stopped if it does not end by itself.
    let run (arguments: string list) (page: string) =
        let program =
            match find () with
            | Some program -> program
            | None ->
                raise (
                    GapLabException
                        "Pictures are drawn by Chromium, which is not installed: install it (on Debian 'apt-get install chromium') or save the page as .html."
                )

        withFolder (fun profile ->
            let start =
                ProcessStartInfo(
                    program,
                    UseShellExecute = false,
                    RedirectStandardInput = true,
                    RedirectStandardOutput = true,
                    RedirectStandardError = true
                )

            for argument in flags @ [ $"--user-data-dir={profile}" ] @ arguments @ [ Uri(page).AbsoluteUri ] do
                start.ArgumentList.Add argument

            use browser = Process.Start start
            browser.StandardInput.Close()
            let output = browser.StandardOutput.ReadToEndAsync()
            let log = browser.StandardError.ReadToEndAsync()

            if not (browser.WaitForExit limit) then
                browser.Kill true

                raise (
                    GapLabException
                        $"The browser '{program}' did not draw the page within {limit.TotalSeconds:F0} seconds and was stopped; try again, or save the page as .html."
                )

            { Output = output.Result; Log = log.Result })

    /// Writes a page to a temporary file for the work.
    let withPage (html: string) (work: string -> 'a) =
        withFolder (fun folder ->
            let page = Path.Combine(folder, "page.html")
            File.WriteAllText(page, html)
            work page)

    /// Draws a page into a PNG file, with two dots of the picture for each pixel of the page.
    let screenshot (width: int) (height: int) (png: string) (page: string) =
        let png = Path.GetFullPath png

        try
            File.Delete png
        with
        | :? IOException
        | :? UnauthorizedAccessException as e ->
            raise (GapLabException $"The picture cannot be written to '{png}' ({e.Message.TrimEnd '.'}).")

        let result =
            run [ $"--window-size={width},{height}"; "--force-device-scale-factor=2"; $"--screenshot={png}" ] page

        if not (File.Exists png) then
            let reason = result.Log.Split('\n', StringSplitOptions.RemoveEmptyEntries) |> Array.tryLast
            let reason = defaultArg reason "it gave no reason"
            raise (GapLabException $"The browser could not write the picture '{png}': {reason.Trim().TrimEnd '.'}.")

    /// The page's elements after its scripts have run, and the log with all that it wrote to the console.
    let dump (width: int) (page: string) =
        run [ $"--window-size={width},1000"; "--enable-logging=stderr"; "--dump-dom" ] page
