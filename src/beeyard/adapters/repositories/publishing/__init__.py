"""Makes a signed repository: a folder that any web server can serve.

`workshop` knows what is written, `trust` who may sign (`rootkeys`, `rotation`: with which keys), `packages` what is
offered, `release` how it becomes visible, `keys` and `files` how both lie on the disk.
"""

from beeyard.adapters.repositories.publishing.packages import add as add
from beeyard.adapters.repositories.publishing.packages import promote as promote
from beeyard.adapters.repositories.publishing.packages import yank as yank
from beeyard.adapters.repositories.publishing.release import publish as publish
from beeyard.adapters.repositories.publishing.trust import init as init
from beeyard.adapters.repositories.publishing.trust import sign as sign
from beeyard.adapters.repositories.publishing.workshop import Done as Done
from beeyard.adapters.repositories.publishing.workshop import Workshop as Workshop
