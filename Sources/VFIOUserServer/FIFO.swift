/// A queue in the order of arrival. Each operation takes constant time on average, however long it is.
struct FIFO<Element> {
    private var elements: [Element?] = []
    /// What is in front of it has been taken out.
    private var head = 0

    var isEmpty: Bool { head == elements.count }

    var count: Int { elements.count - head }

    var first: Element? { isEmpty ? nil : elements[head] }

    mutating func append(_ element: Element) { elements.append(element) }

    /// Takes out all for which `isMeant` is true.
    mutating func removeAll(where isMeant: (Element) -> Bool) {
        elements = elements[head...].filter { $0.map(isMeant) == false }
        head = 0
    }

    /// Takes out the first one.
    mutating func removeFirst() {
        elements[head] = nil
        head += 1
        if head == elements.count {
            // The memory of a long queue is given back.
            elements.removeAll(keepingCapacity: head <= 64)
            head = 0
        } else if head > elements.count / 2 {
            elements.removeFirst(head)
            head = 0
        }
    }
}
