/// Writers of .npy and .npz files, by the format's description and not by the reader's code.
module GapLab.Tests.Data.ArrayFixtures

open System
open System.IO
open System.IO.Compression
open System.Text

/// A .npy file of a version, with any header text.
let npyWithHeader (version: byte) (header: string) (data: byte[]) =
    let prefix = if version = 1uy then 10 else 12
    let padded = header.PadRight((prefix + header.Length + 64) / 64 * 64 - prefix - 1) + "\n"
    let text = Encoding.Latin1.GetBytes padded

    Array.concat
        [ [| 0x93uy; byte 'N'; byte 'U'; byte 'M'; byte 'P'; byte 'Y'; version; 0uy |]
          (if version = 1uy then
               BitConverter.GetBytes(uint16 text.Length)
           else
               BitConverter.GetBytes(uint32 text.Length))
          text
          data ]

let npyHeader (descr: string) (shape: int list) =
    let sizes = String.Join(", ", shape) + (if shape.Length = 1 then "," else "")
    $"{{'descr': '%s{descr}', 'fortran_order': False, 'shape': ({sizes}), }}"

/// A version 1 file of elements that are given as bytes.
let npy descr shape data = npyWithHeader 1uy (npyHeader descr shape) data

/// Elements as little-endian bytes, reversed if the type says big-endian.
let elements (descr: string) (bytesOf: 'a -> byte[]) (values: 'a[]) =
    values |> Array.collect (fun v -> if descr.StartsWith '>' then Array.rev (bytesOf v) else bytesOf v)

let npyOfFloats shape (values: float32[]) =
    npy "<f4" shape (values |> Array.collect (fun v -> BitConverter.GetBytes(v: float32)))

/// 32-bit integers, little-endian.
let npyOfInts shape (values: int[]) =
    npy "<i4" shape (values |> Array.collect (fun v -> BitConverter.GetBytes(v: int)))

/// An archive of files.
let npz (level: CompressionLevel) (files: (string * byte[]) list) =
    use target = new MemoryStream()

    do
        use archive = new ZipArchive(target, ZipArchiveMode.Create, true)

        for name, bytes in files do
            use entry = archive.CreateEntry(name + ".npy", level).Open()
            entry.Write(bytes, 0, bytes.Length)

    target.ToArray()

let csv (lines: string list) = Encoding.UTF8.GetBytes(String.concat "\n" lines + "\n")
