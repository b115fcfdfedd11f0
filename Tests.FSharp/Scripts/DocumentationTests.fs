module GapLab.Tests.Scripts.DocumentationTests

open System.ComponentModel
open System.Diagnostics
open System.IO
open System.Text.RegularExpressions
open NUnit.Framework
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Scripts.ScriptRunner

/// The blocks of a page of the documentation in one language.
let private blocks language page =
    let text = File.ReadAllText(Path.Combine(repository, page))

    [ for block in Regex.Matches(text, $"```{language}\n(.*?)```", RegexOptions.Singleline) -> block.Groups[1].Value ]

/// The F# blocks of a page, one after the other.
let internal code page = blocks "fsharp" page |> String.concat "\n"

/// Runs a page's examples as they stand, from another folder, and gives what they printed.
let private example folder page (arguments: string list) =
    let scripts = Path.Combine(repository, "Scripts").Replace('\\', '/')
    let text = (code page).Replace("#load \"", $"#load \"{scripts}/")
    File.WriteAllText(Path.Combine(folder, "example.fsx"), text)
    let outcome = runIn folder None "example.fsx" arguments
    equalFor outcome.Error 0 outcome.ExitCode
    outcome.Output

[<Test>]
let ``the examples of frames and charts run as they stand`` () =
    if (Plotly.find Plotly.home).IsNone then
        Assert.Ignore "plotly.js is not there, because npm was missing when GapLab was built: no chart can be saved."

    withFolder (fun folder ->
        holds "the table is printed" ((example folder "docs/frames-and-charts.md" []).Contains "±")

        for file in [ "runs.csv"; "page.html" ] do
            holds $"{file} is written" (File.Exists(Path.Combine(folder, file))))

[<Test>]
let ``the examples of the README and of experiments run as they stand`` () =
    withFolder (fun folder ->
        let output = example folder "README.md" [ "--results"; "results" ]

        for gap in [ "approximation"; "amortization"; "inference" ] do
            holds gap (output.Contains gap)

        let output = example folder "docs/experiments.md" [ "--results"; "results" ]

        for samples in [ 10; 100; 1000 ] do
            holds $"{samples} samples" (output.Contains $"IWAE-{samples} "))

[<Test>]
let ``the tutorial's family is exact where it must be, and is measured`` () =
    withFolder (fun folder ->
        let output = example folder "docs/tutorial.md" [ "--results"; "results" ]
        let gaps = Regex.Matches(output, @"(\S+) +approximation gap (-?[0-9.]+) ±")
        equal [ "FFG"; "Gaussian" ] [ for gap in gaps -> gap.Groups[1].Value ]
        let values = [ for gap in gaps -> float gap.Groups[2].Value ]
        near 0.02 0.283 values[0]
        near 0.005 0.0 values[1]

        for word in [ "rank one"; "TVO-10" ] do
            holds word (output.Contains word))

[<Test>]
let ``the estimators of a known model come close to what is exact`` () =
    withFolder (fun folder ->
        let output = example folder "docs/estimators.md" []

        let number name =
            float (Regex.Match(output, Regex.Escape name + @"\s+(-?[0-9.]+)").Groups[1].Value)

        let exact = number "log p(x) exactly"
        near 0.05 exact (number "IWAE of q*")
        near 0.2 exact (number "AIS")
        near 0.05 (exact - number "approximation gap exactly") (number "L[q*]"))

[<Test>]
let ``a program of one's own is traced`` () =
    withFolder (fun folder ->
        let output = example folder "docs/tracing.md" []
        holds "the phase is in the table" (output.Contains "squares")
        holds "the trace is written" (File.Exists(Path.Combine(folder, "trace.json"))))

[<Test>]
let ``the Python of models trained elsewhere writes what is measured`` () =
    let python = "/usr/bin/python3"

    let run folder (arguments: string list) =
        try
            use running = Process.Start(ProcessStartInfo(python, arguments, WorkingDirectory = folder))
            running.WaitForExit()
            running.ExitCode
        with :? Win32Exception ->
            -1

    if run repository [ "-c"; "import numpy" ] <> 0 then
        Assert.Ignore "Python with numpy is not installed: the export is not run."

    withFolder (fun folder ->
        match blocks "python" "docs/external-models.md" with
        | [ export; own ] ->
            // A model as PyTorch shows it, without PyTorch; `own` stands for the package that the first block imports.
            let stub =
                """
class Weights:
    def __init__(self, *shape): self.shape = shape
    def detach(self): return self
    def numpy(self): return np.random.default_rng(0).normal(0, 0.05, self.shape)

class model:
    def state_dict():
        layers = {"encoder": [784, 200, 200, 40], "decoder": [20, 200, 200, 784]}
        return {f"{part}.{2 * i}.{name}": Weights(*([n] if name == "bias" else [n, sizes[i]]))
                for part, sizes in layers.items() for i, n in enumerate(sizes[1:]) for name in ("weight", "bias")}
"""

            let import = "from safetensors.torch import save_file\n"
            holds "the package is imported" (export.Contains import)
            File.WriteAllText(Path.Combine(folder, "export.py"), own + stub + export.Replace(import, ""))
            equal 0 (run folder [ "export.py" ])
        | found -> Assert.Fail $"The page has {found.Length} blocks of Python, not 2."

        let script = Path.Combine(repository, "Scripts", "gaps-of.fsx")
        let named = [ "--dataset"; "glyphs"; "--results"; "results" ]
        let outcome = runIn folder None script ("model.safetensors" :: "--spec" :: "model.json" :: named)
        equalFor outcome.Error 0 outcome.ExitCode
        holds "gaps are measured" (outcome.Output.Contains "amortization gap"))
