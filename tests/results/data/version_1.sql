BEGIN TRANSACTION;
CREATE TABLE accuracy (
            result_id INTEGER NOT NULL REFERENCES result (id) ON DELETE CASCADE, metric TEXT NOT NULL,
            value DOUBLE PRECISION, minimum DOUBLE PRECISION, maximum DOUBLE PRECISION, met BOOLEAN,
            PRIMARY KEY (result_id, metric));
INSERT INTO "accuracy" VALUES(1,'acc',76.46,7.56953999999999922482e+01,NULL,1);
CREATE TABLE audit (
            id INTEGER NOT NULL PRIMARY KEY, source_id INTEGER NOT NULL REFERENCES source (id) ON DELETE CASCADE,
            result_id INTEGER REFERENCES result (id) ON DELETE CASCADE, division TEXT NOT NULL,
            submitter TEXT NOT NULL, test TEXT NOT NULL, path TEXT NOT NULL, state TEXT NOT NULL,
            reason TEXT NOT NULL, valid BOOLEAN);
CREATE TABLE finding (
            id INTEGER NOT NULL PRIMARY KEY, source_id INTEGER NOT NULL REFERENCES source (id) ON DELETE CASCADE,
            result_id INTEGER REFERENCES result (id) ON DELETE CASCADE, origin TEXT NOT NULL,
            check_id TEXT NOT NULL, severity TEXT NOT NULL, place TEXT NOT NULL, found TEXT NOT NULL,
            expected TEXT NOT NULL, clause TEXT NOT NULL, hint TEXT NOT NULL);
INSERT INTO "finding" VALUES(1,1,1,'reader','READ006','note','closed/Acme/results/one/resnet/Offline/performance/run_1/mlperf_log_detail.txt','absent','the load generator''s log','','');
INSERT INTO "finding" VALUES(2,1,1,'reader','READ006','note','closed/Acme/results/one/resnet/Offline/accuracy/mlperf_log_detail.txt','absent','the load generator''s log','','');
CREATE TABLE result (
            id INTEGER NOT NULL PRIMARY KEY, source_id INTEGER NOT NULL REFERENCES source (id) ON DELETE CASCADE,
            system_id INTEGER REFERENCES system (id) ON DELETE CASCADE, key TEXT NOT NULL UNIQUE,
            suite TEXT NOT NULL, round TEXT NOT NULL, division TEXT NOT NULL, category TEXT NOT NULL,
            submitter TEXT NOT NULL, submitter_written TEXT NOT NULL, system TEXT NOT NULL, benchmark TEXT NOT NULL,
            model TEXT NOT NULL, scenario TEXT NOT NULL, system_type TEXT NOT NULL, state TEXT NOT NULL,
            reason TEXT NOT NULL, metric TEXT NOT NULL, value DOUBLE PRECISION, unit TEXT NOT NULL,
            higher_is_better BOOLEAN, quality_met BOOLEAN, valid BOOLEAN, inferred BOOLEAN NOT NULL,
            accepted BOOLEAN, verdict TEXT NOT NULL, n_runs INTEGER NOT NULL, n_used INTEGER,
            spread DOUBLE PRECISION, framework TEXT NOT NULL, framework_label TEXT NOT NULL,
            processor_class TEXT NOT NULL, class_from TEXT NOT NULL, accelerator TEXT NOT NULL, nodes INTEGER,
            chips INTEGER, chips_from TEXT NOT NULL, precision TEXT NOT NULL, power_value DOUBLE PRECISION,
            power_unit TEXT NOT NULL, published BOOLEAN NOT NULL, path TEXT NOT NULL, details TEXT NOT NULL);
INSERT INTO "result" VALUES(1,1,1,'inference_results_v0.5/closed/Acme/results/one/resnet/Offline','inference','v0.5','closed','available','Acme','Acme','one','resnet','resnet','Offline','','read','','samples per second',100.0,'samples/s',1,1,1,0,NULL,'VALID',1,1,NULL,'TensorRT 6.0','TensorRT','GPU','accelerator_model_name','NVIDIA Tesla T4',1,4,'1 node × 4 accelerators','',NULL,'',1,'closed/Acme/results/one/resnet/Offline','{}');
CREATE TABLE run (
            id INTEGER NOT NULL PRIMARY KEY, result_id INTEGER NOT NULL REFERENCES result (id) ON DELETE CASCADE,
            role TEXT NOT NULL, name TEXT NOT NULL, position INTEGER NOT NULL, path TEXT NOT NULL,
            state TEXT NOT NULL, reason TEXT NOT NULL, valid BOOLEAN, used BOOLEAN, why_not_used TEXT NOT NULL,
            value DOUBLE PRECISION, unit TEXT NOT NULL, started_at TEXT NOT NULL, duration_s DOUBLE PRECISION,
            n_queries BIGINT, n_samples BIGINT, latency_min_ns BIGINT, latency_mean_ns BIGINT,
            latency_p50_ns BIGINT, latency_p90_ns BIGINT, latency_p95_ns BIGINT, latency_p97_ns BIGINT,
            latency_p99_ns BIGINT, latency_p999_ns BIGINT, latency_max_ns BIGINT, quality DOUBLE PRECISION,
            quality_target DOUBLE PRECISION, converged BOOLEAN, epochs DOUBLE PRECISION, n_errors INTEGER,
            n_warnings INTEGER, details TEXT NOT NULL);
INSERT INTO "run" VALUES(1,1,'performance','run_1',0,'closed/Acme/results/one/resnet/Offline/performance/run_1','read','',1,1,'',100.0,'samples/s','',NULL,NULL,NULL,1000,NULL,2000,5000,NULL,NULL,8000,NULL,9000,NULL,NULL,NULL,NULL,0,0,'{"absent":"mlperf_log_detail.txt: absent","effective_qsl_rng_seed":"3133965575612453542","effective_sample_index_rng_seed":"665484352860916858","effective_samples_per_query":24576,"effective_scenario":"Offline","effective_schedule_rng_seed":"3622009729038561421","effective_test_mode":"PerformanceOnly","result_min_duration_met":true,"result_min_queries_met":true,"result_samples_per_second":100,"result_validity":"VALID","sut_name":"SUT"}');
INSERT INTO "run" VALUES(2,1,'accuracy','accuracy',1,'closed/Acme/results/one/resnet/Offline/accuracy','read','',NULL,NULL,'',NULL,'','',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,'{"absent":"mlperf_log_detail.txt: absent"}');
CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY, applied_at TEXT NOT NULL, "by" TEXT NOT NULL);
INSERT INTO "schema_version" VALUES(1,'2026-11-22T00:00:00Z','mlassay 0.1.0');
CREATE TABLE source (
            id INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, suite TEXT NOT NULL,
            round TEXT NOT NULL, origin TEXT NOT NULL, url TEXT NOT NULL, commit_id TEXT, reader TEXT NOT NULL,
            signature TEXT NOT NULL, digest TEXT NOT NULL, imported_at TEXT NOT NULL, published BOOLEAN NOT NULL,
            n_files INTEGER NOT NULL, note TEXT NOT NULL);
INSERT INTO "source" VALUES(1,'inference_results_v0.5','repository','inference','v0.5','inference_results_v0.5','https://github.com/mlcommons/inference_results_v0.5',NULL,'mlassay 0.1.0, import 1','1bd18ee5451d38bdf1ed184cf5686ec4036408a8bd9ce42201d304efd7957808','b702d81814a56a750775e5ea0689cd1e24361aff4dc69146c4a07c64bb816ce3','2026-11-22T00:00:00Z',1,4,'');
CREATE TABLE system (
            id INTEGER NOT NULL PRIMARY KEY, source_id INTEGER NOT NULL REFERENCES source (id) ON DELETE CASCADE,
            division TEXT NOT NULL, submitter TEXT NOT NULL, name TEXT NOT NULL, title TEXT NOT NULL,
            path TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, status TEXT NOT NULL,
            system_type TEXT NOT NULL, framework TEXT NOT NULL, operating_system TEXT NOT NULL,
            host_processor TEXT NOT NULL, host_sockets INTEGER, nodes INTEGER, accelerator TEXT NOT NULL,
            accelerators_per_node INTEGER, description TEXT NOT NULL);
INSERT INTO "system" VALUES(1,1,'closed','Acme','one','Acme One','closed/Acme/systems/one.json','read','','available','','TensorRT 6.0','Linux','Some CPU',2,1,'NVIDIA Tesla T4',4,'{"accelerator_model_name":"NVIDIA Tesla T4","accelerators_per_node":4,"division":"closed","framework":"TensorRT 6.0","host_processor_model_name":"Some CPU","host_processors_per_node":2,"number_of_nodes":1,"operating_system":"Linux","status":"available","submitter":"Acme","system_name":"Acme One"}');
CREATE INDEX ix_system_source_id ON system (source_id);
CREATE INDEX ix_result_source_id ON result (source_id);
CREATE INDEX ix_result_system_id ON result (system_id);
CREATE INDEX ix_result_what ON result (suite, round, benchmark, scenario, division);
CREATE INDEX ix_result_submitter ON result (submitter);
CREATE INDEX ix_run_result_id ON run (result_id);
CREATE INDEX ix_audit_source_id ON audit (source_id);
CREATE INDEX ix_audit_result_id ON audit (result_id);
CREATE INDEX ix_finding_source_id ON finding (source_id);
CREATE INDEX ix_finding_result_id ON finding (result_id);
COMMIT;
