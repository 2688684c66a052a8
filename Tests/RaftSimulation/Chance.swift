import RaftCore

extension SeededGenerator {
    /// True in `permille` of 1,000 cases.
    mutating func happens(permille: UInt64) -> Bool {
        permille > 0 && draw(upTo: 999) < permille
    }

    /// One of the elements; the first of equals is as likely as the last.
    mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int(draw(upTo: UInt64(elements.count - 1)))]
    }

    /// A number below `bound`.
    mutating func below(_ bound: Int) -> Int {
        Int(draw(upTo: UInt64(max(1, bound) - 1)))
    }
}
