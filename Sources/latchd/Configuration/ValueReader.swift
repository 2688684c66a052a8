/// Reads one value as what it should be; nil means that a problem was reported.
struct ValueReader {
    let tree: ConfigurationTree
    let keyPosition: Position
    let path: String
    let problems: ProblemList

    /// Where a problem with the value is shown: the value, or its key where nothing is written.
    private var position: Position {
        if case .text(.none, _) = tree { keyPosition } else { tree.position }
    }

    private func report<Value>(_ message: String) -> Located<Value>? {
        problems.add(message, at: position, path: path)
        return nil
    }

    private func located<Value>(_ value: Value) -> Located<Value> {
        Located(value: value, position: position, path: path)
    }

    /// Any text that is not empty.
    func text(_ expected: String) -> Located<String>? {
        guard case .text(let text, _) = tree else {
            return report("expected \(expected), found \(tree.kind).")
        }
        guard let text, !text.isEmpty else { return report("is empty; expected \(expected).") }
        return located(text)
    }

    func integer(_ range: ClosedRange<Int>) -> Located<Int>? {
        guard let text = text("a whole number") else { return nil }
        let digits = text.value.utf8.filter { $0 != UInt8(ascii: "_") }
        guard digits.count <= 18, digits.allSatisfy({ (48...57).contains($0) }),
            let number = Int(String(decoding: digits, as: UTF8.self))
        else {
            return report(
                "\(quoted(text.value)) is not a whole number from \(range.lowerBound) to "
                    + "\(range.upperBound).")
        }
        guard range.contains(number) else {
            return report(
                "\(number) is out of range; allowed is \(range.lowerBound) to \(range.upperBound).")
        }
        return located(number)
    }

    /// Milliseconds.
    func duration(_ range: ClosedRange<Int>) -> Located<Int>? {
        guard let text = text("a duration such as 50ms or 10s") else { return nil }
        do {
            return inRange(try Units.milliseconds(text.value), range, Units.spell(milliseconds:))
        } catch {
            return report(error.message)
        }
    }

    /// Bytes.
    func size(_ range: ClosedRange<Int>) -> Located<Int>? {
        guard let text = text("a size such as 16KiB or 64MiB") else { return nil }
        do {
            return inRange(try Units.bytes(text.value), range, Units.spell(bytes:))
        } catch {
            return report(error.message)
        }
    }

    private func inRange(
        _ amount: Int, _ range: ClosedRange<Int>, _ spell: (Int) -> String
    ) -> Located<Int>? {
        guard range.contains(amount) else {
            let word = amount < range.lowerBound ? "too little" : "too much"
            return report(
                "\(spell(amount)) is \(word); allowed is \(spell(range.lowerBound)) to "
                    + "\(spell(range.upperBound)).")
        }
        return located(amount)
    }

    func address() -> Located<HostPort>? {
        guard let text = text("an address such as 127.0.0.1:7301") else { return nil }
        do {
            return located(try HostPort(parsing: text.value))
        } catch {
            return report(error.message)
        }
    }

    /// One of a few words.
    func choice<Choice: RawRepresentable & CaseIterable>(
        _ type: Choice.Type
    ) -> Located<Choice>? where Choice.RawValue == String {
        let words = Choice.allCases.map(\.rawValue)
        guard let text = text(orList(words)) else { return nil }
        guard let choice = Choice(rawValue: text.value) else {
            let guess =
                suggestion(for: text.value, among: words).map { " Did you mean \($0)?" } ?? ""
            return report("\(quoted(text.value)) is not known.\(guess) Allowed: \(orList(words)).")
        }
        return located(choice)
    }

    /// A range of durations: `300ms..600ms`, or a mapping with `min` and `max`. Milliseconds.
    func durationRange(_ range: ClosedRange<Int>) -> Located<ClosedRange<Int>>? {
        let ends: (ValueReader, ValueReader)?
        switch tree {
        case .mapping: ends = endsOfMapping()
        case .text(let text, let place): ends = endsOfText(text ?? "", place)
        case .list: ends = nil
        }
        guard let ends else {
            if case .mapping = tree { return nil }
            return report("expected a range such as 300ms..600ms.")
        }
        guard let low = ends.0.duration(range), let high = ends.1.duration(range) else {
            return nil
        }
        guard low.value <= high.value else {
            return report("the first duration is larger than the second; write smallest..largest.")
        }
        return located(low.value...high.value)
    }

    private func endsOfMapping() -> (ValueReader, ValueReader)? {
        let mapping = MappingReader(tree, path: path, keys: ["min", "max"], problems: problems)
        let low = mapping.required("min", meaning: "the shortest timeout, such as 300ms")
        let high = mapping.required("max", meaning: "the longest timeout, such as 600ms")
        guard let low, let high else { return nil }
        return (low, high)
    }

    private func endsOfText(_ text: String, _ place: Position) -> (ValueReader, ValueReader)? {
        let parts = text.split(separator: "..", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        let readers = parts.map { part in
            let word = part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()
            return ValueReader(
                tree: .text(String(word), place), keyPosition: keyPosition, path: path,
                problems: problems)
        }
        return (readers[0], readers[1])
    }

    func mapping(keys: [String]) -> MappingReader {
        MappingReader(tree, path: path, keys: keys, problems: problems)
    }

    /// The elements of a list, each with its path `key[0]`, `key[1]`…
    func list(of what: String) -> Located<[ValueReader]>? {
        guard case .list(let elements, _) = tree else {
            return report(
                "expected a list of \(what), each starting with \"- \"; found \(tree.kind).")
        }
        return located(
            elements.enumerated().map { index, element in
                ValueReader(
                    tree: element, keyPosition: element.position, path: "\(path)[\(index)]",
                    problems: problems)
            })
    }
}
