import Foundation

/// What `Package.swift` says about targets, read as text.
struct Manifest {
    /// The dependencies of each target that is declared with `.target` or `.executableTarget`.
    private(set) var dependencies: [String: Set<String>] = [:]

    init(_ text: String) {
        let aliases = Self.aliases(text)
        for block in text.components(separatedBy: "target(").dropFirst()
            + text.components(separatedBy: "executableTarget(").dropFirst()
        {
            guard let name = Self.first(#"^\s*name:\s*"([^"]+)""#, block) else { continue }
            let list =
                Self.first(#"^[^\[]*?dependencies:\s*\[([^\]]*)\]"#, Self.upToNextTarget(block))
                ?? ""
            dependencies[name] = Self.names(list, aliases: aliases)
        }
    }

    /// `let nioCore = product("NIOCore", "swift-nio")`.
    private static func aliases(_ text: String) -> [String: String] {
        var aliases: [String: String] = [:]
        for pair in all(#"let (\w+) = product\("(\w+)""#, text) where pair.count == 2 {
            aliases[pair[0]] = pair[1]
        }
        return aliases
    }

    private static func upToNextTarget(_ block: String) -> String {
        let ends = [".target(", ".executableTarget(", ".testTarget(", ".systemLibrary("]
            .compactMap { block.range(of: $0)?.lowerBound }
        return String(block[..<(ends.min() ?? block.endIndex)])
    }

    private static func names(_ list: String, aliases: [String: String]) -> Set<String> {
        let products = all(#"product\("(\w+)",\s*"[^"]+"\)"#, list).compactMap(\.first)
        let rest = list.replacing(#/product\([^)]*\)/#, with: "")
        let words = rest.split { $0 == "," || $0.isWhitespace }.map(String.init)
        return Set(
            products
                + words.map { $0.hasPrefix("\"") ? $0.filter { $0 != "\"" } : aliases[$0] ?? $0 })
    }

    private static func first(_ pattern: String, _ text: String) -> String? {
        all(pattern, text).first?.first
    }

    /// The groups of every match.
    private static func all(_ pattern: String, _ text: String) -> [[String]] {
        let options: NSRegularExpression.Options = [.dotMatchesLineSeparators]
        guard let expression = try? NSRegularExpression(pattern: pattern, options: options) else {
            return []
        }
        return expression.matches(in: text, range: NSRange(text.startIndex..., in: text)).map {
            match in
            (1..<match.numberOfRanges).compactMap { group in
                Range(match.range(at: group), in: text).map { String(text[$0]) }
            }
        }
    }
}
