import LatchClient

/// Text in columns, two spaces apart, as wide as their longest cell.
struct Table {
    enum Alignment {
        case left
        case right
    }

    let columns: [(title: String, alignment: Alignment)]
    private(set) var rows: [[String]] = []
    /// The tones of each row's cells, by column.
    private var tones: [[Int: Tone]] = []

    init(_ columns: [(title: String, alignment: Alignment)]) {
        self.columns = columns
    }

    /// A row; missing cells are empty, superfluous ones are dropped.
    /// - Parameter tones: of some of its cells, by column.
    mutating func add(_ cells: [String], tones: [Int: Tone] = [:]) {
        self.tones.append(tones)
        rows.append(
            columns.indices.map { $0 < cells.count ? printable(cells[$0]) : "" })
    }

    /// Title and rows, without a line break at the end or spaces at the ends of lines.
    func rendered(_ paint: Paint = .none) -> String {
        let lines = [columns.map(\.title)] + rows
        let lineTones = [[:]] + tones
        let widths = columns.indices.map { column in
            lines.map { $0[column].count }.max() ?? 0
        }
        return zip(lines, lineTones).map { line, tones in
            var text = ""
            for (column, cell) in line.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                let isLeft = columns[column].alignment == .left
                let painted = paint(cell, tones[column])
                text += column == 0 ? "" : "  "
                text += isLeft ? painted + padding : padding + painted
            }
            while text.last == " " { text.removeLast() }
            return text
        }.joined(separator: "\n")
    }
}

/// `text` on one line: names may hold any text, and a terminal obeys control characters.
func printable(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\n": result += "\\n"
        case "\t": result += "\\t"
        case "\\": result += "\\\\"
        default:
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator:
                result += "\\u{\(String(scalar.value, radix: 16))}"
            default:  // default: open set (categories)
                result.unicodeScalars.append(scalar)
            }
        }
    }
    return result
}

/// A length of time for people: `12 ms`, `3.4 s`, `5 m 12 s`, `2 h 3 m`, `4 d 1 h`.
func readable(_ duration: Duration) -> String {
    let count = max(0, milliseconds(duration))
    let seconds = count / 1_000
    switch count {
    case ..<1_000: return "\(count) ms"
    case ..<60_000: return "\(seconds).\(count % 1_000 / 100) s"
    case ..<3_600_000: return "\(seconds / 60) m \(seconds % 60) s"
    case ..<86_400_000: return "\(seconds / 3_600) h \(seconds % 3_600 / 60) m"
    default:  // default: open set (numbers)
        return "\(seconds / 86_400) d \(seconds % 86_400 / 3_600) h"
    }
}
