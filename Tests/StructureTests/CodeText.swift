/// Swift source without what is not code.
enum CodeText {
    /// Blanks comments and the contents of string literals; line numbers stay as they are.
    ///
    /// Interpolations are blanked with their literal: good enough for looking for words.
    static func strip(_ source: String) -> String {
        var stripper = Stripper(source: Array(source.unicodeScalars))
        stripper.run()
        return String(String.UnicodeScalarView(stripper.output))
    }

    private struct Stripper {
        let source: [Unicode.Scalar]
        var output: [Unicode.Scalar] = []
        private var index = 0

        init(source: [Unicode.Scalar]) { self.source = source }

        private func starts(with text: String) -> Bool {
            source[index...].starts(with: text.unicodeScalars)
        }

        /// Passes over `count` scalars and keeps only the line feeds among them.
        private mutating func blank(_ count: Int) {
            let end = min(source.count, index + count)
            output += source[index..<end].filter { $0 == "\n" }
            index = end
        }

        mutating func run() {
            while index < source.count {
                if starts(with: "//") {
                    while index < source.count, source[index] != "\n" { index += 1 }
                } else if starts(with: "/*") {
                    blockComment()
                } else if source[index] == "\"" || source[index] == "#" {
                    literal()
                } else {
                    output.append(source[index])
                    index += 1
                }
            }
        }

        private mutating func blockComment() {
            var depth = 0
            repeat {
                if starts(with: "/*") {
                    depth += 1
                    blank(2)
                } else if starts(with: "*/") {
                    depth -= 1
                    blank(2)
                } else {
                    blank(1)
                }
            } while depth > 0 && index < source.count
        }

        private mutating func literal() {
            let hashes = source[index...].prefix { $0 == "#" }.count
            let quote = source[(index + hashes)...].prefix { $0 == "\"" }.count
            guard quote > 0 else {
                output += source[index..<(index + hashes)]
                index += hashes
                return
            }
            // Two quotes are an empty literal; three open a literal of several lines.
            let width = quote >= 3 ? 3 : 1
            let guardText = String(repeating: "#", count: hashes)
            let end = String(repeating: "\"", count: width) + guardText
            let escape = "\\" + guardText
            output.append("\"")
            blank(hashes + width)
            while index < source.count, !starts(with: end) {
                if width == 1, source[index] == "\n" { break }
                blank(starts(with: escape) ? escape.unicodeScalars.count + 1 : 1)
            }
            blank(end.unicodeScalars.count)
            output.append("\"")
        }
    }
}
