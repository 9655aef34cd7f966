CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, email text, card text);
INSERT INTO people VALUES (1, 'Ada', 'ada@example.com', '4111 1111 1111 1111'), (2, 'Bo', 'bo@example.org', '5555 5555 5555 4444');
CREATE VIEW contacts AS SELECT id, upper(email) AS address FROM people;
