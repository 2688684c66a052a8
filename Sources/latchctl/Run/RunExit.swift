/// The exit codes of `latchctl run` beside those of the command: the numbers that `timeout`, `env`
/// and shells use where they have one, all above those that commands choose for themselves.
enum RunExit {
    /// The latch was lost, and the command was ended for that.
    static let lost: Int32 = 121
    /// The cluster could not be reached, or refused.
    static let unreachable: Int32 = 122
    /// `--if-free`: somebody else holds the latch.
    static let busy: Int32 = 123
    /// `--wait`: the latch was not got in time.
    static let notInTime: Int32 = 124
    /// latchctl itself failed.
    static let failure: Int32 = 125
    /// The command cannot be executed.
    static let notExecutable: Int32 = 126
    /// The command was not found.
    static let notFound: Int32 = 127
}
