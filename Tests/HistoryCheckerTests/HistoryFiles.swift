import Foundation
import Testing

/// A hand-made history with the idea that it shows.
struct HandMade: Sendable, CustomTestStringConvertible {
    let title: String
    let text: String
    var testDescription: String { title }

    /// The sections of a file; each begins with a line `== title`.
    static func all(_ file: String) -> [HandMade] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let url = folder.appendingPathComponent("Histories/\(file).txt")
        guard let text = try? String(contentsOf: url, encoding: .utf8) else { return [] }
        return "\n\(text)".components(separatedBy: "\n== ").dropFirst().map { section in
            let end = section.firstIndex(of: "\n") ?? section.endIndex
            return HandMade(title: String(section[..<end]), text: String(section[end...]))
        }
    }
}
