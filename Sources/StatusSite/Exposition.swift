import LatchNode

/// Prometheus' text format, version 0.0.4: families of samples, each with HELP and TYPE.
///
/// Names, labels and their order are given by the caller; values are escaped here.
struct Exposition {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    typealias Labels = KeyValuePairs<String, String>

    private(set) var text = ""

    /// A number that goes up and down.
    mutating func gauge(_ name: String, _ help: String, _ value: some BinaryInteger) {
        begin(name, "gauge", help)
        sample(name, [:], "\(value)")
    }

    /// A number that goes up and down.
    mutating func gauge(_ name: String, _ help: String, _ value: Double) {
        begin(name, "gauge", help)
        sample(name, [:], Self.number(value))
    }

    /// A number that goes up and down, for each value of some labels.
    mutating func gauges(_ name: String, _ help: String, _ samples: [(Labels, Double)]) {
        begin(name, "gauge", help)
        for (labels, value) in samples { sample(name, labels, Self.number(value)) }
    }

    /// A number that only grows; its name ends with `_total`.
    mutating func counter(_ name: String, _ help: String, _ value: UInt64) {
        begin(name, "counter", help)
        sample(name, [:], "\(value)")
    }

    /// A number that only grows; its name ends with `_total`.
    mutating func counter(_ name: String, _ help: String, _ value: Double) {
        begin(name, "counter", help)
        sample(name, [:], Self.number(value))
    }

    /// A number that only grows, for each value of some labels.
    mutating func counters(_ name: String, _ help: String, _ samples: [(Labels, UInt64)]) {
        begin(name, "counter", help)
        for (labels, value) in samples { sample(name, labels, "\(value)") }
    }

    /// A histogram whose values are `1/unit` of what its name says, for example nanoseconds with
    /// 1e9 for seconds.
    mutating func histogram(
        _ name: String, _ help: String, _ histogram: Histogram, unit: Double = 1
    ) {
        begin(name, "histogram", help)
        series(
            name, [:], histogram.bounds, histogram.counts, histogram.sum, unit: unit)
    }

    /// Begins a histogram with labels; ``series(_:_:_:_:_:unit:)`` adds to it.
    mutating func beginHistogram(_ name: String, _ help: String) {
        begin(name, "histogram", help)
    }

    /// The buckets of one histogram, cumulated, with its sum and count.
    ///
    /// - Parameter counts: one for each bound, and one for what is beyond.
    mutating func series(
        _ name: String, _ labels: Labels, _ bounds: [UInt64], _ counts: [UInt64], _ sum: UInt64,
        unit: Double
    ) {
        var total: UInt64 = 0
        for (bound, count) in zip(bounds, counts) {
            total &+= count
            let edge = Self.number(Double(bound) / unit)
            sample(name + "_bucket", labels, "\(total)", last: ("le", edge))
        }
        if let beyond = counts.last { total &+= beyond }
        sample(name + "_bucket", labels, "\(total)", last: ("le", "+Inf"))
        sample(name + "_sum", labels, Self.number(Double(sum) / unit))
        sample(name + "_count", labels, "\(total)")
    }

    // MARK: Lines

    private mutating func begin(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n"
        text += "# TYPE \(name) \(type)\n"
    }

    private mutating func sample(
        _ name: String, _ labels: Labels, _ value: String, last: (String, String)? = nil
    ) {
        text += name
        var pairs = labels.map { "\($0)=\"\(Self.escaped($1, quotes: true))\"" }
        if let last { pairs.append("\(last.0)=\"\(last.1)\"") }
        if !pairs.isEmpty { text += "{" + pairs.joined(separator: ",") + "}" }
        text += " \(value)\n"
    }

    /// A label's value, or with `quotes` false a help text, as the format wants it.
    static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            // default: open set of characters
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// A number as the format wants it: whole ones without a fraction.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        if let whole = Int64(exactly: value) { return "\(whole)" }
        return "\(value)"
    }
}
