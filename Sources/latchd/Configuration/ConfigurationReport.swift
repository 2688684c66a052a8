/// What `--check` says of several files.
struct ConfigurationReport {
    /// A line for each file that can be used, warnings, and what they are together.
    private(set) var findings: [String] = []
    /// What is wrong; empty if all is well.
    private(set) var problems: [String] = []

    /// Reads the files and compares those that can be used.
    init(files: [String]) {
        var usable: [ConfigurationSet.File] = []
        for file in files {
            do throws(ConfigurationFailure) {
                let loaded = try ConfigurationLoader.load(path: file)
                usable.append(ConfigurationSet.File(name: file, loaded: loaded))
            } catch {
                problems += error.problems.map { $0.line(file: file) }
            }
        }
        for file in usable {
            findings.append("\(file.name): node \(file.settings.node) of \(file.settings.cluster)")
            findings += file.loaded.warnings.map { "WARNING: \($0.line(file: file.name))" }
        }
        let set = ConfigurationSet(usable)
        findings += set.warnings.map { "WARNING: \($0)" }
        problems += set.problems
        guard problems.isEmpty, let members = usable.first?.settings.members else {
            let count = problems.count == 1 ? "1 problem" : "\(problems.count) problems"
            problems.append("\(count) in \(files.count) files: nothing was started.")
            return
        }
        let missing = members.map(\.id).filter { id in
            !usable.contains { $0.settings.node == id }
        }
        findings.append(
            "\(files.count) files of one cluster of \(members.count) nodes: nothing is wrong."
                + (missing.isEmpty
                    ? ""
                    : " There is none of node \(missing.map(String.init).joined(separator: ", ")).")
        )
    }
}
