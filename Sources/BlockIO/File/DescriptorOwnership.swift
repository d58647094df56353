/// To whom a descriptor belongs that an image is opened from.
public enum DescriptorOwnership: Sendable, Hashable {
    /// To the caller, who closes it. The image works on a duplicate.
    case borrowed
    /// To the image, which closes it: when the image is released, or before the call returns when the
    /// image cannot be opened.
    case transferred
}
