"""Why this exists: tests of destinations share a product that writes into a folder, a bucket of MinIO and one of the GCS
emulator at once."""

from lib.product import Product

# So that a place that is away costs a test a second, and not the minutes that an operator's backup may wait.
QUICK = {"STORE_RETRY_SECONDS": "1"}


class ManyPlaces(Product):
    """The product with three destinations; `settings` go into the environment of each run, None takes one out."""

    def __init__(self, folder, minio, gcs, lock=False, **more):
        super().__init__(folder, **more)
        self.buckets = (minio.new_bucket(lock=lock), gcs.new_bucket())
        self.settings = minio.environment(self.buckets[0]) | gcs.environment(self.buckets[1]) | QUICK
        self.keep_secret(self.settings["AWS_SECRET_ACCESS_KEY"])

    @property
    def places(self):
        """As the product names them."""
        return [str(self.repository), f"s3://{self.buckets[0]}", f"gs://{self.buckets[1]}"]

    def environment(self, changes=None):
        return super().environment(self.settings | (changes or {}))
