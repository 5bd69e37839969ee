// Keeps the entries of a report over a reload: in this browser (IndexedDB), for this window (sessionStorage) alone.
// Where a browser refuses either, the report works as ever until the page is reloaded.
const DAY = 24 * 60 * 60 * 1000; // what closed windows left behind is removed when it is older

function visitOf(session) {
  try {
    return session['playground.report'] ??= `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
  } catch {
    return null;
  }
}

const answered = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

// The shelf of one window. Its methods never fail: what cannot be kept is not.
function shelf(visit, days = DAY) {
  const opened = visit && new Promise((resolve, reject) => {
    const asked = indexedDB.open('playground-report', 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore('entries', {keyPath: ['visit', 'number']}).createIndex('at', 'at');
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = asked.onblocked = () => reject(asked.error);
  });
  const within = async (mode, work, failed) => {
    try {
      return await work((await opened).transaction('entries', mode).objectStore('entries'));
    } catch {
      return failed;
    }
  };
  opened?.catch?.(() => {});
  return {
    put: (entry) => within('readwrite', (entries) => answered(
      entries.put({visit, number: entry.number, at: entry.when.getTime(), text: JSON.stringify(entry)}))),
    drop: ({number}) => within('readwrite', (entries) => answered(entries.delete([visit, number]))),
    // What this window had kept, oldest first.
    all: async () => {
      await within('readwrite', async (entries) => {
        const old = await answered(entries.index('at').getAllKeys(IDBKeyRange.upperBound(Date.now() - days)));
        await Promise.all(old.map((key) => answered(entries.delete(key))));
      });
      const rows = await within('readonly', (entries) => answered(entries.getAll(IDBKeyRange.bound([visit, 0], [visit, Infinity]))), []);
      return rows.map(({text}) => JSON.parse(text)).map((entry) => ({...entry, when: new Date(entry.when)}));
    },
  };
}
