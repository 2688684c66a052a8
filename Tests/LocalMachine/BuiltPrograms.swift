package import Foundation

/// The programs of this project that tests run.
package enum BuiltPrograms {
    /// Where `latchd` and `latchctl` are: `LATCHD_BIN`, or beside where this test binary was built.
    package static let folder: URL = {
        if let folder = ProcessInfo.processInfo.environment["LATCHD_BIN"] {
            return URL(fileURLWithPath: folder)
        }
        var folder = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        repeat {
            folder.deleteLastPathComponent()
        } while folder.path != "/" && !isProgram(folder.appendingPathComponent("latchd"))
        return folder
    }()

    package static let latchd = folder.appendingPathComponent("latchd")
    package static let latchctl = folder.appendingPathComponent("latchctl")

    /// A folder of that name is no program.
    private static func isProgram(_ file: URL) -> Bool {
        FileManager.default.isExecutableFile(atPath: file.path)
            && (try? file.resourceValues(forKeys: [.isRegularFileKey]))?.isRegularFile == true
    }
}
