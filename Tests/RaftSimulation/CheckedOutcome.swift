import HistoryChecker

/// The checker's words for what a client was told; the machine has an `Outcome` and a `LatchView`
/// of its own.
typealias CheckedOutcome = Outcome
typealias CheckedView = LatchView
