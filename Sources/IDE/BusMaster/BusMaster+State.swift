internal import BlockState

extension BusMaster: StateFields {
    mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        var (command, status, table) = (command, status, table)
        try codec.number(&command, "command")
        try codec.number(&status, "status")
        try codec.number(&table, "table")
        self = BusMaster(command: command, status: status, table: table)
        try codec.check("command", "only bits 3 and 0 are set", self.command == command)
        try codec.check("status", "only bits 6, 5, 2, 1 and 0 are set", self.status == status)
        try codec.check("table", "a multiple of 4", self.table == table)
        try codec.check(
            "status", "bit 0 is set only if bit 0 of `command` is",
            !isActive || command & Command.start != 0)
    }
}
