"""Why this exists: between two backups a service also migrates: it renames collections, also over others, makes and
drops them under names that were there before, changes options. A restore to any position must follow."""

from lib.mongodb_writer import Writer

ARCHIVE_SIZE = 64 * 1024 * 1024  # bytes of the capped collection: more than a test writes


class MigratingWriter(Writer):
    """A Writer that changes names and definitions too, each in a way of its own; once `migrates` is True, since a full
    backup refuses to be taken while collections are renamed."""

    migrates = False

    def __init__(self, server, db="busy", **options):
        super().__init__(server, db, **options)
        self.db.create_collection("archive", capped=True, size=ARCHIVE_SIZE)
        self._migrations = [
            self.rename, self.replace, self.drop_and_make, self.modify, self.archive, self.redo_index, self.view,
        ]

    def change_schema(self, number):
        super().change_schema(number)
        if self.migrates:
            self._migrations[number // 40 % len(self._migrations)](number)

    def rename(self, number):
        self.db[f"made_{number}"].rename(f"renamed_{number}")
        self.db[f"made_{number}"].insert_one({"_id": number})  # a new one of the old name
        self.db[f"renamed_{number}"].update_many({}, {"$set": {"after": number}})

    def replace(self, number):
        """As $out does it."""
        fresh = self.db[f"fresh_{number}"]
        fresh.insert_many([{"_id": n, "of": number} for n in range(5)])
        fresh.create_index("of")
        fresh.rename("current", dropTarget=True)
        self.db.current.insert_one({"_id": "late", "of": number})

    def drop_and_make(self, number):
        self.db.current.drop()
        self.db.current.insert_one({"_id": 0, "made": number})

    def modify(self, number):
        self.db.command("collMod", self.collections[0], validator={"never": {"$ne": number}})

    def archive(self, number):
        self.db.archive.insert_many([{"_id": number * 10 + n, "n": n} for n in range(10)])

    def redo_index(self, number):
        name = f"again_{number}"
        self.db[self.collections[1]].create_index([("deep.count", 1)], name=name)
        self.db[self.collections[1]].drop_index(name)
        self.db[self.collections[1]].create_index(f"list.{number}", name=name)

    def view(self, number):
        self.db.command("create", f"view_{number}", viewOn=self.collections[0], pipeline=[])
        if number % 80 == 1:
            self.db.drop_collection(f"view_{number}")
