/// See ``GoldenTests``. The names are those of ``sampleFrames``.
let goldenFrames: [String: String] = [:]
