/// The version of this package: the one place that has it. Every program of the package prints it
/// with `--version`.
public enum PackageVersion {
    /// As [Semantic Versioning](https://semver.org) has it: "0.2.0".
    public static let current = "0.2.0"
}
