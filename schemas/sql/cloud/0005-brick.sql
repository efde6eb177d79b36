-- The brick is an image like any other: imported, sealed, fetched.  No image names a disk that nodes have by themselves.
DELETE FROM image WHERE disk_name <> '';
ALTER TABLE image DROP COLUMN disk_name;
