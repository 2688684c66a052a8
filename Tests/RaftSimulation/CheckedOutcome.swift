import HistoryChecker

/// The checker's word for what a client was told; the machine has an `Outcome` of its own.
typealias CheckedOutcome = Outcome
