package import RaftCore

// What a simulated disk draws.
extension SeededGenerator {
    /// A number from 0 up to, but not including, `bound`; 0 if there is none.
    package mutating func next(below bound: Int) -> Int {
        bound <= 0 ? 0 : Int(draw(upTo: UInt64(bound) - 1))
    }

    /// True in `numerator` of `denominator` cases.
    package mutating func chance(_ numerator: Int, in denominator: Int) -> Bool {
        next(below: denominator) < numerator
    }

    package mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}
