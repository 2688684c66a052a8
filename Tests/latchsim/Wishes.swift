import RaftSimulation

/// What the command line asks for.
struct Wishes {
    static let usage = """
        usage: latchsim [--seeds N] [--first S] [--threads T] [--marks] [--quiet]
               latchsim --seed S [--without PARTS]     one seed with its whole story
               latchsim --shrink S [--without PARTS]   the smallest world in which it fails
        PARTS: a list such as crash,loss,clients=1,ms=400 of what to leave out:
          \(SwarmMask.Part.allCases.map(\.rawValue).joined(separator: " "))
        Exit status: 0 no violation; 1 a violation, or so many undecided histories or so few marks
        that 10,000 seeds prove too little (the last line says which); 64 wrong arguments.
        """

    var seeds: UInt64 = 1_000
    var first: UInt64 = 1
    var threads = 2
    var seed: UInt64?
    var shrink: UInt64?
    var mask = SwarmMask()
    var areMarksWanted = false
    /// Only the result: no progress, no shrinking.
    var isQuiet = false

    init?(_ arguments: some Sequence<String>) {
        var rest = Array(arguments)[...]
        while let word = rest.popFirst() {
            switch word {
            case "--marks": areMarksWanted = true
            case "--quiet": isQuiet = true
            case "--without":
                guard let mask = rest.popFirst().flatMap({ SwarmMask($0) }) else { return nil }
                self.mask = mask
            case "--seeds", "--first", "--threads", "--seed", "--shrink":
                guard let number = rest.popFirst().flatMap(UInt64.init) else { return nil }
                take(number, for: word)
            // default: open set (words of a user)
            default: return nil
            }
        }
        guard (1...2).contains(threads) else { return nil }
    }

    private mutating func take(_ number: UInt64, for word: String) {
        switch word {
        case "--seeds": seeds = number
        case "--first": first = number
        case "--threads": threads = Int(clamping: number)
        case "--seed": seed = number
        // default: open set (words of a user)
        default: shrink = number
        }
    }
}
