"""Why this exists: what a chain of MongoDB backups brings back is compared with a replay of the source's oplog that is
independent of the product."""

from lib.mongodb_fingerprint import differences
from lib.mongodb_oplog import replay
from lib.mongodb_writer import balance_of


class Chain:
    """Backups of `busy`, taken while a service wrote: the name and facts of each; and a server to restore into."""

    def __init__(self, product, source, target):
        self.product, self.source, self.target = product, source, target
        self.backups = []

    def back_up(self, *arguments):
        self.product.database_url = self.source.url(db="busy")
        done = self.product.run("backup", *arguments, "--json").json()
        self.backups.append((done["name"], done["engines"]["mongodb"]))
        return done

    def restore(self, *arguments):
        self.product.database_url = self.target.restore_url(db="busy")
        return self.product.run("restore", *arguments, "--force", "--drop-old")

    def expect(self, optime):
        """The target is what the source was at `optime`, whose replay is independent of the product's."""
        state, database = replay(self.source.client(), optime), self.target.database("busy")
        found = self.target.fingerprint("busy").get("busy", {})
        documents = {name: one["documents"] for name, one in found.items() if one["kind"] != "view"}
        assert differences(state.documents("busy"), documents) == []
        assert {f"busy.{name}" for name, one in found.items() if one["kind"] == "view"} == state.views
        for name, indexes in state.index_names("busy").items():
            assert {*database[name].index_information()} == indexes | {"_id_"}, name
        assert balance_of(database) == 0
